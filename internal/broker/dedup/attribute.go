package dedup

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aerobee/aerobee/internal/message"
)

// Bounds of the attribute dedup.window.
const (
	MinWindow = time.Second
	MaxWindow = 24 * time.Hour
)

// maxProperty is the most bytes of a property's name in dedup.key.
const maxProperty = 255

// ParseWindow reads dedup.window: a duration such as 2m, or a number of ms.
func ParseWindow(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if n, notPlain := strconv.ParseInt(s, 10, 64); notPlain == nil && n <= int64(MaxWindow/time.Millisecond) {
		d, err = time.Duration(n)*time.Millisecond, nil
	}
	if err != nil || d < MinWindow || d > MaxWindow {
		return 0, fmt.Errorf("must be a duration from %v to %v, such as 2m, or as many milliseconds", MinWindow, MaxWindow)
	}
	return d, nil
}

// CheckProperty checks dedup.key, the name of a property.
func CheckProperty(s string) error {
	switch {
	case !message.ValidProperty(s):
		return errors.New("must be the name of a message property")
	case len(s) > maxProperty:
		return fmt.Errorf("a name of %d bytes, at most %d are allowed", len(s), maxProperty)
	default:
		return nil
	}
}

// ID is what a message is known by: a property and its value. The zero ID belongs
// to messages that are not known by anything.
type ID struct{ Name, Value string }

// IDOf finds the ID among a message's properties: the one named property, or the
// UNIQ_KEY when there is none, or property is empty. It aliases props.
func IDOf(props, property string) (id ID) {
	for name, value := range message.Properties(props) {
		if name == property || name == message.PropUniqKey && (id.Name == "" || id.Name == name) {
			id = ID{name, value}
		}
	}
	return id
}
