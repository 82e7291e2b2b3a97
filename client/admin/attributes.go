package admin

import (
	"fmt"
	"strings"
)

// parseAttributes reads changes of attributes, "+key=value,-key", into the form
// that request bodies have: the sign stays with the key.
func parseAttributes(changes string) (map[string]string, error) {
	attributes := make(map[string]string)
	if strings.TrimSpace(changes) == "" {
		return attributes, nil
	}
	for change := range strings.SplitSeq(changes, ",") {
		key, value, assigns := strings.Cut(strings.TrimSpace(change), "=")
		var wrong string
		switch {
		case len(key) < 2 || (key[0] != '+' && key[0] != '-'):
			wrong = "must be +key=value or -key"
		case key[0] == '+' && (!assigns || value == ""):
			wrong = "has no value"
		case key[0] == '-' && assigns:
			wrong = "removes a key, so it cannot have a value"
		}
		if _, twice := attributes[key]; wrong == "" && twice {
			wrong = "is there twice"
		}
		if wrong != "" {
			return nil, fmt.Errorf("attribute change %q %s", change, wrong)
		}
		attributes[key] = value
	}
	return attributes, nil
}
