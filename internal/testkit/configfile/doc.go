// Package configfile has tests read a configuration as the server does: from a file.
package configfile
