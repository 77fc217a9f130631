// Package picture has to do with what is inside a picture of a codec: the OBUs of AV1, and the
// frames of VP9 of which each makes the picture larger (layers, as browsers send them).
//
// It imports nothing of ours. frames has it put pictures together, container has it say how large they are.
package picture
