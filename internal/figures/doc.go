// Package figures looks at the running server for people: rooms in a line each, one
// room in full, and the node with its last minutes. What is only counted where it
// happens becomes a rate here, as the difference of two looks.
//
// Nothing is looked at unless somebody asks, and at most once a second however many
// ask, but for the node: a goroutine, which Close ends, looks at it every few
// seconds, so that its last minutes are there when somebody comes to see them. Its
// types are what the API answers. It may be imported by httpapi and server.
package figures
