package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// maxDelayLevels bounds messageDelayLevel: each level is a queue of the
// schedule topic.
const maxDelayLevels = 1000

// splitList splits at commas and drops empty parts.
func splitList(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// splitAddrs splits host:port addresses at semicolons.
func splitAddrs(text string) ([]string, error) {
	var addrs []string
	for addr := range strings.SplitSeq(text, ";") {
		if addr = strings.TrimSpace(addr); addr == "" {
			continue
		}
		host, port, err := net.SplitHostPort(addr)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
			return nil, fmt.Errorf("%q is not host:port", addr)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

var delayUnits = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}

// parseDelays reads levels like "1s 5s 2h".
func parseDelays(text string) ([]time.Duration, error) {
	words := strings.Fields(text)
	if len(words) == 0 || len(words) > maxDelayLevels {
		return nil, fmt.Errorf("allowed: 1 to %d delays", maxDelayLevels)
	}
	levels := make([]time.Duration, 0, len(words))
	for _, word := range words {
		unit := delayUnits[word[len(word)-1]]
		n, err := strconv.ParseInt(word[:len(word)-1], 10, 32)
		if unit == 0 || err != nil || n < 0 || n > 100*365*int64(24*time.Hour/unit) {
			return nil, fmt.Errorf("%q is not a delay; allowed: delays of at most 100 years like 1s 5m 2h 1d, separated by spaces", word)
		}
		levels = append(levels, time.Duration(n)*unit)
	}
	return levels, nil
}

// parseHours reads hours of the day like "04;22".
func parseHours(text string) ([]int, error) {
	var hours []int
	for word := range strings.SplitSeq(text, ";") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n > 23 {
			return nil, fmt.Errorf("%q is not an hour; allowed: 00 to 23, separated by semicolons", word)
		}
		hours = append(hours, n)
	}
	if len(hours) == 0 {
		return nil, fmt.Errorf("allowed: hours 00 to 23, separated by semicolons")
	}
	return hours, nil
}
