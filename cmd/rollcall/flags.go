package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// parseFlags parses the arguments of a verb that takes nothing but flags. Asked
// for help, it prints that and returns flag.ErrHelp; mistakes are errUsage.
func parseFlags(fs *flag.FlagSet, args []string, env environment, about string) error {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		printFlags(env.stdout, fs, about)
		return err
	case err != nil:
		return usageError(fmt.Errorf("%w; see %s --help", err, fs.Name()))
	case fs.NArg() > 0:
		return usageError(fmt.Errorf("unexpected argument %q; see %s --help", fs.Arg(0), fs.Name()))
	}
	return nil
}

func printFlags(w io.Writer, fs *flag.FlagSet, about string) {
	fmt.Fprintf(w, "usage: %s [flags]\n\n%s\n\n", fs.Name(), about)
	fs.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
			value = ""
		}
		name := strings.TrimSpace("--" + f.Name + " " + value)
		fmt.Fprintf(w, "  %-26s %s\n", name, usage)
	})
}
