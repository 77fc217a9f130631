//! What a microphone says, and how loud it is what others say.

use std::slice;

use protocol::{
    AudioFrameBufferInfo, AudioSourceOptions, AudioSourceType, CaptureAudioFrameRequest, CreateAudioTrackRequest,
    NewAudioSourceRequest,
};

use crate::ask;
use crate::ffi::{Ffi, Handle};

pub const RATE: u32 = 48_000;
/// Samples of 20 ms.
const FRAME: u32 = RATE / 50;

/// A microphone that hums.
pub struct Microphone {
    ffi: Ffi,
    source: Handle,
    pub track: Handle,
    said: u32,       // samples
    frame: Vec<i16>, // the library's until it says that it took it
}

impl Microphone {
    pub fn new(ffi: Ffi) -> Result<Microphone, String> {
        let source = ask!(
            ffi,
            NewAudioSource(NewAudioSourceRequest {
                r#type: AudioSourceType::AudioSourceNative as i32,
                options: Some(AudioSourceOptions::default()),
                sample_rate: Some(RATE),
                num_channels: Some(1),
                queue_size_ms: Some(200),
                ..Default::default()
            })
        )?;
        let source = ffi.handle(source.source.handle.id);
        let track = ask!(
            ffi,
            CreateAudioTrack(CreateAudioTrackRequest { name: "microphone".into(), source_handle: source.id })
        )?;
        let track = ffi.handle(track.track.handle.id);
        Ok(Microphone { ffi, source, track, said: 0, frame: vec![0; FRAME as usize] })
    }

    /// Says the next frame; with a callback of that number there is room for one more.
    pub fn hum(&mut self, async_id: u64) -> Result<(), String> {
        for sample in &mut self.frame {
            let turn = f64::from(self.said % RATE) / f64::from(RATE);
            *sample = (12_000.0 * (440.0 * turn * std::f64::consts::TAU).sin()) as i16;
            self.said = self.said.wrapping_add(1);
        }
        ask!(
            self.ffi,
            CaptureAudioFrame(CaptureAudioFrameRequest {
                source_handle: self.source.id,
                buffer: AudioFrameBufferInfo {
                    data_ptr: self.frame.as_ptr() as u64,
                    num_channels: 1,
                    sample_rate: RATE,
                    samples_per_channel: FRAME,
                },
                request_async_id: Some(async_id),
            })
        )?;
        Ok(())
    }
}

/// The sum of squared samples, of one in sixteen, of a frame that the library still has.
pub fn energy(frame: &AudioFrameBufferInfo) -> f64 {
    let samples = frame.samples_per_channel as usize * frame.num_channels as usize;
    let samples = unsafe { slice::from_raw_parts(frame.data_ptr as *const i16, samples) };
    samples.iter().step_by(16).map(|&sample| (f64::from(sample) / 32_768.0).powi(2)).sum()
}
