package protocol

// UserInfo is a user in requests and answers. Answers of a broker hold the
// password only when it is configured to give it away.
type UserInfo struct {
	Username   string `json:"username,omitempty"`
	Password   string `json:"password,omitempty"`
	UserType   string `json:"userType,omitempty"`   // Super or Normal
	UserStatus string `json:"userStatus,omitempty"` // enable or disable
}

// ACLInfo is the access control list of one subject.
type ACLInfo struct {
	Subject  string       `json:"subject,omitempty"` // "User:name"
	Policies []PolicyInfo `json:"policies"`
}

// PolicyInfo is the Custom or the Default policy of a subject.
type PolicyInfo struct {
	PolicyType string            `json:"policyType,omitempty"` // Custom or Default
	Entries    []PolicyEntryInfo `json:"entries"`
}

// PolicyEntryInfo allows or denies actions on one resource.
type PolicyEntryInfo struct {
	Resource  string   `json:"resource,omitempty"` // "Topic:name", trailing * for a prefix
	Actions   []string `json:"actions"`
	SourceIPs []string `json:"sourceIps"`          // addresses or CIDR; empty: everywhere
	Decision  string   `json:"decision,omitempty"` // Allow or Deny
}
