package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/rollcall-rtc/rollcall/docs"
	"github.com/rollcall-rtc/rollcall/internal/site"
)

const docsAbout = `Writes the documentation of this version as a site, for any web server or none.
A running server shows the same at /docs.

  rollcall docs --to site`

// writeDocs writes the site into a directory.
func writeDocs(_ context.Context, args []string, env environment) error {
	fs := flag.NewFlagSet("rollcall docs", flag.ContinueOnError)
	to := fs.String("to", "rollcall-docs", "`directory` to write it into")
	if _, err := parseArgs(fs, args, env, docsAbout); err != nil {
		return err
	}
	s, err := site.New(docs.Files)
	if err != nil {
		return err
	}
	if err := s.Write(*to); err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "%s/index.html\n", *to)
	return nil
}
