// Package audiolevel turns the levels that audio packets carry (RFC 6464)
// into a loudness and a verdict on who speaks.
//
// A Detector is pure: it is told levels and times. Its owner guards it.
// Up-tracks import it.
package audiolevel
