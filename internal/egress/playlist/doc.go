// Package playlist writes the lists of HLS (RFC 8216) beside segments that grow: one
// with all of them, to which lines are added, so that it is whole at any moment; and
// one with the last few, for who watches live. Finish ends one whose writer died.
package playlist
