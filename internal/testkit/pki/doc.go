// Package pki makes certificates for tests.
package pki
