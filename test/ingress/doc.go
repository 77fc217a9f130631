// Package ingress has real encoders push streams to a whole server, and looks at
// what somebody in the room gets.
package ingress
