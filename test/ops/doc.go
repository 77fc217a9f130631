// Package ops holds what is for running the server, deploy/ and
// docs/operations.md, against the server that is in the repository, and against
// the tools that will read it.
//
// What needs such tools (scripts/ops-tools.sh gets them) has the build tag tools;
// `make test-ops` runs all of it.
package ops
