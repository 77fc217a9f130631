// Package chaos gives the real server its worst days: it is killed at random
// moments, crowded, and visited by clients that send garbage, stop reading, or
// are dead without a word.
//
// Its tests build the binary, run it on loopback and drive it with many small
// clients that bring up real transports. They hold it to the promise of the log: what
// was once visible is never lost, nothing is out of order, and whatever began ends
// exactly once. ROLLCALL_CHAOS_SEED, which is printed, repeats a run's choices. Where
// thousands come, they cost so little that what stops first is the server:
// go test ./test/chaos -run Calls -long -v -calls 3000 -talking 20.
//
// A meeting of two must go on through a worst day; the server holds afterwards
// what it held before, and who was at fault is cut off for a reason that the log
// and the client have. With -long (make worst) the days are longer. Under the race
// detector the server runs under it too. It has tests only; nobody imports it.
package chaos
