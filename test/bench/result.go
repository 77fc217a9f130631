package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// measurement is one figure of one repetition.
type measurement struct {
	metric string
	unit   string
	value  float64
}

// outcome is what one repetition of a workload has to say.
type outcome struct {
	measurements []measurement
	// remarks are what a reader must know not to be misled: loss, a load
	// generator at its limit.
	remarks []string
	noise   noise
}

func (o *outcome) add(metric, unit string, value float64) {
	o.measurements = append(o.measurements, measurement{metric, unit, value})
}

func (o *outcome) remark(format string, args ...any) {
	o.remarks = append(o.remarks, fmt.Sprintf(format, args...))
}

// row is one figure over all repetitions, as the table and the JSON lines have it.
type row struct {
	Workload    string    `json:"workload"`
	Metric      string    `json:"metric"`
	Unit        string    `json:"unit"`
	Repetitions int       `json:"repetitions"`
	Median      float64   `json:"median"`
	Min         float64   `json:"min"`
	Max         float64   `json:"max"`
	Values      []float64 `json:"values"`
	Goal        string    `json:"goal,omitempty"` // and whether Median reaches it
	Remarks     []string  `json:"remarks,omitempty"`
	Noise       noise     `json:"noise"` // of the noisiest repetition
	Machine     machine   `json:"machine"`
}

// summarize makes a row of each metric, in the order in which they were measured.
func summarize(workload string, outcomes []outcome, m machine) []*row {
	var rows []*row
	byMetric := make(map[string]*row)
	for _, o := range outcomes {
		for _, v := range o.measurements {
			r := byMetric[v.metric]
			if r == nil {
				r = &row{Workload: workload, Metric: v.metric, Unit: v.unit, Noise: o.noise, Machine: m}
				byMetric[v.metric] = r
				rows = append(rows, r)
			}
			r.Values = append(r.Values, v.value)
			r.Noise = r.Noise.worse(o.noise)
			for _, remark := range o.remarks {
				if !slices.Contains(r.Remarks, remark) {
					r.Remarks = append(r.Remarks, remark)
				}
			}
		}
	}
	for _, r := range rows {
		sorted := slices.Sorted(slices.Values(r.Values))
		r.Repetitions = len(sorted)
		r.Min, r.Max = sorted[0], sorted[len(sorted)-1]
		r.Median = median(sorted)
		r.Goal = judge(workload, r.Metric, r.Median)
	}
	return rows
}

func median(sorted []float64) float64 { return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2 }

func writeJSON[R any](w io.Writer, _ machine, rows []R) error {
	enc := json.NewEncoder(w)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func writeTable(w io.Writer, m machine, rows []*row) error {
	fmt.Fprintf(w, "%s\n\n", m)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "workload\tmetric\tmedian\tmin–max\tunit\tgoal\treps\tidle %\tsteal %\tother %\tremarks")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s–%s\t%s\t%s\t%d\t%.0f\t%.1f\t%.0f\t%s\n",
			r.Workload, r.Metric, figure(r.Median), figure(r.Min), figure(r.Max), r.Unit, r.Goal, r.Repetitions,
			r.Noise.Idle, r.Noise.Steal, r.Noise.Other, strings.Join(r.Remarks, "; "))
	}
	return t.Flush()
}

// writeMarkdown names each workload once.
func writeMarkdown(w io.Writer, m machine, rows []*row) error {
	var text strings.Builder
	fmt.Fprintf(&text, "```\n%s\n```\n\n", m)
	text.WriteString("| workload | metric | median | min–max | unit | goal | reps | idle / steal / other % | remarks |\n")
	text.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	last := ""
	for _, r := range rows {
		name := ""
		if r.Workload != last {
			name, last = "**"+r.Workload+"**", r.Workload
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s–%s | %s | %s | %d | %.0f / %.1f / %.0f | %s |\n",
			name, r.Metric, figure(r.Median), figure(r.Min), figure(r.Max), r.Unit, r.Goal, r.Repetitions,
			r.Noise.Idle, r.Noise.Steal, r.Noise.Other, strings.Join(r.Remarks, "; "))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// figure prints three significant digits, and all of what is before the point.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || a == 0:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}
