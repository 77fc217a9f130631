// Package certificate finds the certificate for a TLS handshake: in files that
// others renew, or from a certificate authority by ACME (RFC 8555).
//
// Both are asked for each handshake, so that a new certificate is used at once
// and open connections stay as they are.
package certificate
