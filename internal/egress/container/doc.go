// Package container writes encoded audio and video into files that can be played
// at any moment: Ogg with Opus (RFC 7845), WebM, and fragmented MP4 (ISO/IEC
// 14496-12).
//
// What a Writer has put is in the file and whole; a Syncer has it be on the disk soon
// after. A file whose writer died is
// made whole again by Repair, which cuts off what was not. Close adds what is
// known only at the end: durations and the index.
//
// Nothing is encoded or decoded: frames go as they come.
package container
