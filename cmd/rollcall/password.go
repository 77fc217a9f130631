package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/term"
)

const passwordAbout = `Reads a password and prints its bcrypt hash, for dashboard.users of the
configuration. On a terminal it asks and shows nothing; else it reads a line.

  rollcall hash-password
  echo "$PASSWORD" | rollcall hash-password`

const (
	shortestPassword = 10 // characters
	longestPassword  = 72 // bytes; bcrypt would not look at the rest
	// passwordCost makes a guess take about a fifth of a second.
	passwordCost = 12
)

// hashPassword prints the hash of the password that it reads.
func hashPassword(_ context.Context, args []string, env environment) error {
	fs := flag.NewFlagSet("rollcall hash-password", flag.ContinueOnError)
	if err := parseFlags(fs, args, env, passwordAbout); err != nil {
		return err
	}
	password, err := readPassword(env)
	switch {
	case err != nil:
		return fmt.Errorf("read password: %w", err)
	case !utf8.ValidString(password):
		return errors.New("the password is not UTF-8")
	case utf8.RuneCountInString(password) < shortestPassword:
		return fmt.Errorf("the password is shorter than %d characters", shortestPassword)
	case len(password) > longestPassword:
		return fmt.Errorf("the password is longer than %d bytes, of which bcrypt would take no notice", longestPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), passwordCost)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "%s\n", hash)
	return nil
}

// readPassword reads a line, from a terminal without showing it.
func readPassword(env environment) (string, error) {
	if f, ok := env.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(env.stderr, "Password: ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(env.stderr)
		return string(b), err
	}
	line, err := bufio.NewReader(env.stdin).ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || line == "") {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}
