package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// parseFlags parses the arguments of a verb that takes nothing but flags. Asked
// for help, it prints that and returns flag.ErrHelp; mistakes are errUsage.
func parseFlags(fs *flag.FlagSet, args []string, env environment, about string) error {
	_, err := parseArgs(fs, args, env, about)
	return err
}

// parseArgs is parseFlags for a verb that takes the named arguments too, among
// the flags in any order. A name in brackets may be left out: its value is then
// empty.
func parseArgs(fs *flag.FlagSet, args []string, env environment, about string, names ...string) ([]string, error) {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	values := make([]string, 0, len(names))
	for {
		err := fs.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			printFlags(env.stdout, fs, about, names)
			return nil, err
		case err != nil:
			return nil, usageError(fmt.Errorf("%s; see %s --help", plain(fs, err), fs.Name()))
		}
		if args = fs.Args(); len(args) == 0 {
			break
		}
		if len(values) == len(names) {
			return nil, usageError(fmt.Errorf("unexpected argument %q; see %s --help", args[0], fs.Name()))
		}
		values, args = append(values, args[0]), args[1:]
	}
	for _, name := range names[len(values):] {
		if !strings.HasPrefix(name, "[") {
			return nil, usageError(fmt.Errorf("%s is missing; see %s --help", name, fs.Name()))
		}
		values = append(values, "")
	}
	return values, nil
}

// plain says of a flag's value what was wanted, where package flag has "parse error".
func plain(fs *flag.FlagSet, err error) string {
	before, unsaid := strings.CutSuffix(err.Error(), ": parse error")
	if !unsaid {
		return err.Error()
	}
	want := "a number"
	if f := fs.Lookup(before[strings.LastIndex(before, " -")+2:]); f != nil {
		if g, ok := f.Value.(flag.Getter); ok {
			switch g.Get().(type) {
			case time.Duration:
				want = "a time with its unit, such as 90s or 2h"
			case bool:
				want = "true or false"
			}
		}
	}
	return before + ": want " + want
}

func printFlags(w io.Writer, fs *flag.FlagSet, about string, names []string) {
	fmt.Fprintf(w, "usage: %s\n\n%s\n\n", strings.Join(append([]string{fs.Name()}, append(names, "[flags]")...), " "), about)
	fs.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
			value = ""
		}
		name := strings.TrimSpace("--" + f.Name + " " + value)
		fmt.Fprintf(w, "  %-26s %s\n", name, usage)
	})
}
