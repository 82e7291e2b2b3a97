package transaction

import "unsafe"

// aliasOf is b as a string without a copy. It is valid only as long as nobody
// writes to b.
func aliasOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
