package store

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Progress tells how far Open is. Whoever wants to know makes one, gives it to Open
// in the Config, and asks it from any goroutine.
type Progress struct {
	began        atomic.Int64 // Unix time in ns at which reading began, 0 before
	from, to, at atomic.Int64 // physical offsets
	lastLine     int64        // Unix time in ns; used by Open alone
}

// ProgressState is how much of the log a start has read.
type ProgressState struct {
	Reading     bool  // the log is being read, or was
	Done, Total int64 // bytes; Total is an estimate
	Took        time.Duration
}

// State is the state at a time.
func (p *Progress) State(now time.Time) ProgressState {
	began := p.began.Load()
	if began == 0 {
		return ProgressState{}
	}
	from, at := p.from.Load(), p.at.Load()
	return ProgressState{
		Reading: true, Done: at - from, Total: max(p.to.Load(), at) - from,
		Took: now.Sub(time.Unix(0, began)),
	}
}

// Rate is bytes a second so far, 0 when nothing is known.
func (s ProgressState) Rate() float64 {
	if s.Took <= 0 {
		return 0
	}
	return float64(s.Done) / s.Took.Seconds()
}

// Left is how long the rest will take; ok is false when nothing is known.
func (s ProgressState) Left() (left time.Duration, ok bool) {
	rate := s.Rate()
	if rate <= 0 {
		return 0, s.Done >= s.Total
	}
	return time.Duration(float64(s.Total-s.Done) / rate * float64(time.Second)), true
}

// String is one line for people: reading the commit log, 12.3 of 50.0 GB, 41 s left.
func (s ProgressState) String() string {
	if !s.Reading {
		return "opening the store"
	}
	unit, name := 1e6, "MB"
	if s.Total >= 1e9 {
		unit, name = 1e9, "GB"
	}
	text := fmt.Sprintf("reading the commit log, %.1f of %.1f %s", float64(s.Done)/unit, float64(s.Total)/unit, name)
	if left, ok := s.Left(); ok {
		text += fmt.Sprintf(", %.0f s left", left.Seconds())
	}
	return text
}

// Between two looks at the clock recovery reads progressStep bytes, and between two
// lines of the log progressEvery passes.
const (
	progressStep  = 1 << 20
	progressEvery = time.Second
)

// begin notes what there is to read.
func (p *Progress) begin(log *slog.Logger, now time.Time, from, to int64) {
	p.from.Store(from)
	p.to.Store(max(from, to))
	p.at.Store(from)
	p.began.Store(now.UnixNano())
	p.lastLine = now.UnixNano()
	log.Info("reading the commit log", "from", from, "to", to, "bytes", max(0, to-from))
}

// reach notes that everything below at was read.
func (p *Progress) reach(log *slog.Logger, now func() time.Time, at int64) {
	before := p.at.Swap(at)
	if before/progressStep == at/progressStep {
		return
	}
	t := now()
	if t.UnixNano()-p.lastLine < int64(progressEvery) {
		return
	}
	p.lastLine = t.UnixNano()
	s := p.State(t)
	left, _ := s.Left()
	log.Info("reading the commit log", "done", s.Done, "left", s.Total-s.Done, "mb_per_s", int64(s.Rate()/1e6), "eta", left.Round(time.Second))
}

// end notes where the log ends.
func (p *Progress) end(log *slog.Logger, now time.Time, end, records int64) {
	p.to.Store(end)
	p.at.Store(end)
	s := p.State(now)
	log.Info("the commit log was read", "bytes", s.Done, "end", end, "records", records, "took", s.Took)
}
