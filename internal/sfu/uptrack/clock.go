package uptrack

// Clock maps one publisher's wall clock, as told by sender reports, to ours.
// The zero value is ready; share one among the tracks of a publisher.
type Clock struct{}
