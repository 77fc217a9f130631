package bwe

import "errors"

// ErrFeedback is returned for feedback that is cut short or contradicts itself.
var ErrFeedback = errors.New("malformed transport-wide feedback")
