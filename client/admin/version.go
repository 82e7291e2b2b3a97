package admin

import "strconv"

// VersionName gives the release that a protocol version number stands for, for
// example "V5_5_0": in Java's list a snapshot and a release alternate, ten to a
// minor version since 4.0.
func VersionName(v int32) string {
	name := func(major, base int32) string {
		n := v - base
		if n%2 != 0 { // base is a release, so the even ones are
			n++
			return versionText(major, n/2) + "_SNAPSHOT"
		}
		return versionText(major, n/2)
	}
	switch {
	case v >= 612:
		return "HIGHER_VERSION"
	case v >= 412:
		return name(5, 413)
	case v >= 212:
		return name(4, 213)
	}
	return "3.x (" + strconv.Itoa(int(v)) + ")" // from before 2016: the number says enough
}

func versionText(major, n int32) string {
	return "V" + strconv.Itoa(int(major)) + "_" + strconv.Itoa(int(n/10)) + "_" + strconv.Itoa(int(n%10))
}
