package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// serverNames are the columns of the table.
var serverNames = [...]string{"apache", "aerobee"}

// report is a benchmark with all its runs, as the results file keeps it.
type report struct {
	Date    time.Time  `json:"date"`
	Machine machine    `json:"machine"`
	Method  string     `json:"method"` // rounds, durations, sizes
	Runs    []*outcome `json:"runs"`
}

// failed tells whether a row has failed at a server; it is not tried again then.
func (r *report) failed(row, server string) bool {
	return r.failure(row, server) != ""
}

func (r *report) failure(row, server string) string {
	for _, x := range r.Runs {
		if x.Row == row && x.Server == server && x.Error != "" {
			return x.Error
		}
	}
	return ""
}

// failures are the runs of a server that failed, in a line each.
func (r *report) failures(server string) []string {
	var lines []string
	for _, x := range r.Runs {
		if x.Error != "" && x.Server == server {
			lines = append(lines, x.Row+": "+x.Error)
		}
	}
	return lines
}

// spread is a figure of a row at a server over the rounds.
func (r *report) spread(row, server, figure string) spread {
	var values []float64
	for _, x := range r.Runs {
		if x.Row != row || x.Server != server || x.Error != "" {
			continue
		}
		for _, v := range x.Figures {
			if v.Name == figure {
				values = append(values, v.Value)
			}
		}
	}
	return spreadOf(values)
}

// figures are the names of what a row has, in their order.
func (r *report) figures(row string) []string {
	var names []string
	for _, x := range r.Runs {
		if x.Row != row || x.Error != "" {
			continue
		}
		for _, v := range x.Figures {
			if !slices.Contains(names, v.Name) {
				names = append(names, v.Name)
			}
		}
	}
	return names
}

// table has a line for each figure of each row.
func (r *report) table() table.Writer {
	w := table.NewWriter()
	w.AppendHeader(table.Row{"load", "figure", "Apache", "aerobee", "aerobee / Apache", "budget", "verdict"})
	for _, row := range allRows() {
		name := row.name
		for _, figure := range r.figures(row.name) {
			theirs, ours := r.spread(row.name, "apache", figure), r.spread(row.name, "aerobee", figure)
			bound, verdict := "", ""
			for _, b := range row.budgets {
				if b.figure == figure {
					bound, verdict = b.String(), b.verdict(ours, theirs)
				}
			}
			w.AppendRow(table.Row{name, figure, theirs, ours, ratio(ours, theirs), bound, verdict})
			name = ""
		}
		for _, server := range serverNames {
			if why := r.failure(row.name, server); why != "" {
				w.AppendRow(table.Row{name, server + " failed", firstSentence(why), "", "", "", ""})
				name = ""
			}
		}
	}
	return w
}

// firstSentence is enough of an error for a table; the results file has it all.
func firstSentence(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s[:min(len(s), 120)]
}

func ratio(ours, theirs spread) string {
	if ours.runs == 0 || theirs.runs == 0 || theirs.median == 0 {
		return ""
	}
	return number(ours.median / theirs.median)
}

// String is the median and, of several runs, from where to where they went.
func (s spread) String() string {
	switch s.runs {
	case 0:
		return ""
	case 1:
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s..%s)", number(s.median), number(s.min), number(s.max))
}

// number has three digits that matter, or all before the point.
func number(v float64) string {
	if v == 0 || math.Abs(v) >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', min(digits, 5), 64)
}

func (r *report) print(w io.Writer) error {
	t := r.table()
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 1, WidthMax: 40}, {Number: 3, WidthMax: 40}})
	_, err := fmt.Fprintln(w, t.Render())
	return err
}

// markdown is the table with what one has to know to read it.
func (r *report) markdown() string {
	return fmt.Sprintf("%s, on %s.\n\n%s\n\nMedians, with the smallest and the largest of the rounds in brackets.\n\n%s\n",
		r.Date.Format("2006-01-02 15:04 MST"), r.Machine, r.Method, r.table().RenderMarkdown())
}

// write puts the table and every single run into two files named after date and
// commit.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	commit := strings.ReplaceAll(r.Machine.Commit, " ", "-")
	base := filepath.Join(dir, r.Date.Format("20060102T150405Z")+"-"+commit)
	if err := os.WriteFile(base+".md", []byte("# Side by side\n\n"+r.markdown()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(base+".json", append(data, '\n'), 0o644)
}

// The part of the page that is made from results.
const (
	pageBegin = "<!-- results: go run ./bench -page -->\n"
	pageEnd   = "<!-- end of results -->\n"
)

// writePage puts the table of a results file, or of the newest one in dir, into
// the page.
func writePage(page, from, dir string) error {
	if from == "" {
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("%s has no results; \"make bench\" makes them", dir)
		}
		from = slices.Max(files) // they begin with their date
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(text), pageBegin)
	_, after, ok2 := strings.Cut(rest, pageEnd)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no part between %q and %q", page, strings.TrimSpace(pageBegin), strings.TrimSpace(pageEnd))
	}
	return os.WriteFile(page, []byte(before+pageBegin+r.markdown()+pageEnd+after), 0o644)
}
