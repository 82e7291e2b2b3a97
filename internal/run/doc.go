// Package run owns goroutines.
//
// Every goroutine of aerobee belongs to a Group, and whoever made the group
// waits for it: a component's Close or Run returns only when its goroutines are
// gone. There is no other place in the tree with a go statement outside tests.
package run
