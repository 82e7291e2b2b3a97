package timer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Handle names a message that waits, for its recall (consumption.md 11.9).
type Handle struct {
	Topic, Broker string
	Time          int64 // ms: a time of delivery that falls into the message's slot
	Key           string
}

const (
	handleVersion = "v1"
	maxHandle     = 4096 // bytes that are looked at
)

// String is the handle as clients get it.
func (h Handle) String() string {
	return base64.URLEncoding.EncodeToString(fmt.Appendf(nil, "%s %s %s %d %s", handleVersion, h.Topic, h.Broker, h.Time, h.Key))
}

// ParseHandle reads a handle. The error says which part of it is wrong.
func ParseHandle(text string) (h Handle, err error) {
	if text == "" {
		return h, errors.New("it is empty")
	}
	if len(text) > maxHandle {
		return h, fmt.Errorf("it has %d bytes, at most %d are allowed", len(text), maxHandle)
	}
	data, err := base64.URLEncoding.DecodeString(text)
	if err != nil {
		data, err = base64.RawURLEncoding.DecodeString(text)
	}
	if err != nil {
		return h, fmt.Errorf("it is not URL-safe Base64: %w", err)
	}
	parts := strings.Split(string(data), " ")
	if parts[0] != handleVersion {
		return h, fmt.Errorf("its version is %s, known is %s", clip(parts[0]), handleVersion)
	}
	if len(parts) != 5 {
		return h, fmt.Errorf("it has %d parts, which must be 5: version, topic, broker, time, key", len(parts))
	}
	h.Topic, h.Broker, h.Key = parts[1], parts[2], parts[4]
	if h.Time, err = strconv.ParseInt(parts[3], 10, 64); err != nil || h.Time < 0 {
		return h, fmt.Errorf("its time %s is not a number of milliseconds", clip(parts[3]))
	}
	if h.Topic == "" || h.Broker == "" || h.Key == "" {
		return h, errors.New("its topic, broker or key is empty")
	}
	return h, nil
}
