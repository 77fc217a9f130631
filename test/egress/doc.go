// Package egress has a whole server record a participant whose sound and pictures
// are known, and looks at what is in the files.
package egress
