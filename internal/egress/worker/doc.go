// Package worker is the process that writes one recording. The server starts the
// same binary again for each, so that what goes wrong in one, or is slow, or is
// killed, harms no other and no room.
//
// It puts frames together from packets and keeps them in a file that can be
// played at any moment. It ends when it is told to, and when its server is gone.
package worker
