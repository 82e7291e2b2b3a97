package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	tabletext "github.com/jedib0t/go-pretty/v6/text"
	"go.yaml.in/yaml/v3"
)

// report is the outcome of a verb: data for programs, the rest for people.
type report struct {
	data   any
	tables []view
	notes  []string // lines after the tables
	again  time.Duration
}

// view is one table.
type view struct {
	title  string
	header []any
	rows   [][]any
}

func (v *view) add(cells ...any) { v.rows = append(v.rows, cells) }

// printer writes reports to standard output.
type printer struct {
	w    io.Writer
	form string // table, json or yaml
}

func newPrinter(w io.Writer, form string) (*printer, error) {
	switch form {
	case "table", "json", "yaml":
		return &printer{w: w, form: form}, nil
	}
	return nil, fmt.Errorf("--output is %q, must be table, json or yaml", form)
}

func (p *printer) print(r report) error {
	switch p.form {
	case "json":
		enc := json.NewEncoder(p.w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(r.data)
	case "yaml":
		return p.yaml(r.data)
	}
	for i, v := range r.tables {
		if i > 0 || v.title != "" {
			if err := p.line(i > 0, v.title); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(p.w, v.render()); err != nil {
			return err
		}
	}
	for _, note := range r.notes {
		if _, err := fmt.Fprintln(p.w, note); err != nil {
			return err
		}
	}
	return nil
}

// yaml prints what json prints, in the same order and with the same names: JSON is
// YAML, and read as such it can be written in YAML's own style.
func (p *printer) yaml(data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	blockStyle(&doc)
	enc := yaml.NewEncoder(p.w)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return err
	}
	return enc.Close()
}

func blockStyle(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		blockStyle(child)
	}
}

func (p *printer) line(blank bool, title string) error {
	if blank {
		if _, err := fmt.Fprintln(p.w); err != nil {
			return err
		}
	}
	if title == "" {
		return nil
	}
	_, err := fmt.Fprintln(p.w, title)
	return err
}

// render draws a table without lines: what a terminal shows well and awk splits.
func (v view) render() string {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = tabletext.FormatUpper
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	t.AppendHeader(table.Row(v.header))
	for _, row := range v.rows {
		cells := make(table.Row, len(row))
		for i, cell := range row {
			cells[i] = show(cell)
		}
		t.AppendRow(cells)
	}
	return t.Render()
}

// show is how a value looks in a table.
func show(v any) any {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return "-"
		}
		return v.Format("2006-01-02 15:04:05.000")
	case float64:
		return fmt.Sprintf("%.2f", v)
	case string:
		if v == "" {
			return "-"
		}
	}
	return v
}

// pairs lists values of one thing, a line each.
func pairs(title string, cells ...any) view {
	v := view{title: title, header: []any{"field", "value"}}
	for i := 0; i+1 < len(cells); i += 2 {
		v.add(cells[i], cells[i+1])
	}
	return v
}

// sorted orders the rows by their text, for tables made from maps.
func (v view) sorted() view {
	slices.SortFunc(v.rows, func(a, b []any) int { return slices.CompareFunc(a, b, compareCells) })
	return v
}

func compareCells(a, b any) int {
	if x, ok := a.(int32); ok {
		if y, ok := b.(int32); ok {
			return int(x) - int(y)
		}
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}
