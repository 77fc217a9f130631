// Package config turns a YAML file, the environment and flags into one Config
// that is complete and valid, or into a list of Problems that name file, line,
// column, key and what was expected.
//
// Later sources win: defaults, file, environment, flags. The keys are those of
// an existing livekit.yaml; the tables in keys.go (supported) and known.go (of
// LiveKit, not supported yet) are the whole vocabulary, and anything else is a
// mistake. No message repeats a secret.
//
// The package is a leaf and owns no goroutine. Only server and cmd read it;
// everybody else is handed small options.
package config
