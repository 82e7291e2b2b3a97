package inspect

import "fmt"

// Problem is something that is not as it must be.
type Problem struct {
	File     string `json:"file"`
	Offset   int64  `json:"offset"` // byte in the file, -1 when it is about the whole file
	Found    string `json:"found"`
	Expected string `json:"expected"`
}

// String is the problem in a line.
func (p Problem) String() string {
	if p.Offset < 0 {
		return fmt.Sprintf("%s: found %s, expected %s", p.File, p.Found, p.Expected)
	}
	return fmt.Sprintf("%s: at byte %d: found %s, expected %s", p.File, p.Offset, p.Found, p.Expected)
}

// Start is what a start of a broker would do.
type Start struct {
	Clean        bool  `json:"clean"`  // the store was closed
	From         int64 `json:"from"`   // physical offset at which the log would be read
	End          int64 `json:"end"`    // where the log ends
	Bytes        int64 `json:"bytes"`  // of the log that would be read
	CutOff       bool  `json:"cutOff"` // what follows the end is a torn tail
	UnitsToBuild int64 `json:"unitsToBuild"`
	UnitsToDrop  int64 `json:"unitsToDrop"`
	KeysToBuild  int64 `json:"keysToBuild"` // index entries
	KeysToDrop   int64 `json:"keysToDrop"`
}

// Part counts what was verified of one kind of files.
type Part struct {
	Name     string `json:"name"`
	Files    int64  `json:"files"`
	Bytes    int64  `json:"bytes"` // of the files
	Items    int64  `json:"items"` // records, units, entries
	Problems int64  `json:"problems"`
}

// Report is the outcome of a check.
type Report struct {
	Dir      string    `json:"dir"`
	LogMin   int64     `json:"logMin"`
	Start    Start     `json:"start"`
	Problems []Problem `json:"problems"`
	More     int64     `json:"moreProblems"` // that Problems leaves out
	Parts    []*Part   `json:"parts"`
	// Fillers are records in place of damaged ones, which an earlier repair made.
	Fillers int64 `json:"fillers"`
	// Orphans are records of deleted topics and of earlier ones of the same name.
	Orphans int64 `json:"orphans"`
}

// Sound tells whether there are no problems.
func (r *Report) Sound() bool { return len(r.Problems) == 0 && r.More == 0 }

// part begins the count of a kind of files.
func (r *Report) part(name string) *Part {
	p := &Part{Name: name}
	r.Parts = append(r.Parts, p)
	return p
}
