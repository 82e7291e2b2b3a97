package config

import "log/slog"

// Ignored is a key of a file that was accepted and does nothing.
type Ignored struct {
	Key, Value string
	Reason     string
	Later      bool // the feature is not built yet
}

// Report says what a file held that has no effect.
type Report struct {
	File    string // "" without a file
	Ignored []Ignored
}

// Log writes one line per reason. Call it once, at start.
func (r Report) Log(log *slog.Logger) {
	for i := 0; i < len(r.Ignored); {
		first := r.Ignored[i]
		var keys []string
		for ; i < len(r.Ignored) && r.Ignored[i].Reason == first.Reason; i++ {
			keys = append(keys, r.Ignored[i].Key)
		}
		if first.Later {
			log.Warn("configuration keys are not effective yet", "file", r.File, "about", first.Reason, "keys", keys)
		} else {
			log.Info("configuration keys are ignored", "file", r.File, "about", first.Reason, "keys", keys)
		}
	}
}
