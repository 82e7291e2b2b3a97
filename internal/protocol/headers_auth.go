package protocol

// CreateUserRequest creates a user (ReqAuthCreateUser); the body is UserInfo,
// whose name gives way to the header's.
type CreateUserRequest struct {
	Username string `rmq:"username"`
}

// UpdateUserRequest changes a user (ReqAuthUpdateUser); the body is UserInfo.
type UpdateUserRequest struct {
	Username string `rmq:"username"`
}

// DeleteUserRequest deletes a user and its ACL (ReqAuthDeleteUser).
type DeleteUserRequest struct {
	Username string `rmq:"username"`
}

// GetUserRequest reads a user (ReqAuthGetUser).
type GetUserRequest struct {
	Username string `rmq:"username"`
}

// ListUsersRequest lists the users whose name contains Filter
// (ReqAuthListUser).
type ListUsersRequest struct {
	Filter string `rmq:"filter"`
}

// CreateACLRequest creates an ACL (ReqAuthCreateACL); the body is ACLInfo,
// whose subject wins over the header's.
type CreateACLRequest struct {
	Subject string `rmq:"subject"`
}

// UpdateACLRequest changes an ACL (ReqAuthUpdateACL); the body is ACLInfo.
type UpdateACLRequest struct {
	Subject string `rmq:"subject"`
}

// DeleteACLRequest deletes an ACL, or its entries for one resource
// (ReqAuthDeleteACL). PolicyType is Custom when empty.
type DeleteACLRequest struct {
	Subject    string `rmq:"subject"`
	PolicyType string `rmq:"policyType"`
	Resource   string `rmq:"resource"`
}

// GetACLRequest reads an ACL (ReqAuthGetACL).
type GetACLRequest struct {
	Subject string `rmq:"subject"`
}

// ListACLsRequest lists ACLs by parts of subject and resource
// (ReqAuthListACL).
type ListACLsRequest struct {
	SubjectFilter  string `rmq:"subjectFilter"`
	ResourceFilter string `rmq:"resourceFilter"`
}
