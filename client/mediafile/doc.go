// Package mediafile reads encoded audio and video from files, to be published
// with package client, and writes what is received into files. Nothing is encoded
// or decoded: frames go as they are.
//
// It reads Ogg with Opus (RFC 7845), IVF with VP8, VP9 or AV1, WebM with any of
// these, and H.264 or H.265 as byte streams (Annex B). It writes Ogg, IVF and
// byte streams.
package mediafile
