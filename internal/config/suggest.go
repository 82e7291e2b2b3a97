package config

import "strings"

// nearest returns the name closest to word by edit distance, case ignored, or
// "" when none is close enough to be meant.
func nearest(word string, names []string) string {
	if len(word) > 100 {
		return ""
	}
	limit := max(2, len(word)/4)
	best, found := limit+1, ""
	lower := strings.ToLower(word)
	for _, name := range names {
		if diff := len(name) - len(word); diff > limit || -diff > limit {
			continue
		}
		if d := distance(lower, strings.ToLower(name)); d < best {
			best, found = d, name
		}
	}
	return found
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}
