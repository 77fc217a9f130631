// Package nack decides which lost packets are asked for again, and when.
//
// A Generator is pure: it is told what is missing and what arrived, takes the
// time, and returns what to ask for. Its owner guards it. Up-tracks import it.
package nack
