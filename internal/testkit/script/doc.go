// Package script writes programs that tests have run in the place of others.
package script
