package certificate

import "errors"

// ErrCertificate says that a certificate cannot be used.
var ErrCertificate = errors.New("certificate")
