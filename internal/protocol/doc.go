// Package protocol is the data of the RocketMQ remoting protocol: codes, typed
// headers, bodies, names and limits. It has no behaviour beyond validating,
// comparing and naming.
//
// Start with verbs.go, the table of all requests; each line leads to the header
// and body types of one request.
//
// Headers are structs whose fields carry a tag
//
//	Topic string `rmq:"topic,short=b,required"`
//
// with the name of the field on the wire, the one-letter name in the short form
// of sends, and whether a handler cannot do without. Package remoting fills and
// writes them. The rules:
//
//  1. Field types are string, int32, int64, bool and Opt of these.
//  2. Opt is used where absence means something else than the zero value: where
//     Java has a default other than zero or acts upon null.
//  3. "required" follows Java's contract, except where Java itself gets along
//     without the field: the defaults of topic creation, and booleans.
//  4. The extra fields ns, nsd and oway, which every request may carry, have no
//     meaning for brokers and are not declared. bname and lo are BrokerName and
//     Logical.
//
// Bodies are structs with json tags in Java's key names, to be read and written
// with package javajson, which also explains the tag options. Lists stand for
// Java's sets and lists alike. Types with defaults other than zero have
// SetJSONDefaults, which javajson calls before it reads such an object.
//
// Enumerations whose zero value is not a Java constant use it for null. They
// read names in any case and ordinals, as fastjson does.
//
// Values are plain data: not safe for concurrent writes, safe for concurrent
// reads. No package level variable is ever changed.
//
// Format: docs/format/remoting.md and docs/format/json-dialect.md. Java
// counterparts: remoting protocol, common.
package protocol
