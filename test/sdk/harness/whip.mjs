// A WHIP client (RFC 9725) in Chromium: what a page needs of it is in one function,
// without any SDK.

/** Publishes camera and microphone from a page; path: /w, /w/KEY or /whip/v1; bearer: for the header; simulcast: three layers. */
export async function whip(browser, server, { path = '/w', bearer, simulcast = false, trickle = false } = {}) {
  const page = await browser.show('index.html');
  const answer = await page.evaluate(publish, { base: server.url, path, bearer, simulcast, trickle });
  return {
    ...answer,
    page,
    restart: () => page.evaluate(() => window.whip.restart()),
    delete: () => page.evaluate(() => window.whip.remove()),
    close: () => page.evaluate(() => window.whip.pc.close()),
    leave: () => page.context().close(),
  };
}

// Runs in the page.
async function publish({ base, path, bearer, simulcast, trickle }) {
  const authorization = bearer ? { authorization: `Bearer ${bearer}` } : {};
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 1280, height: 720, frameRate: 30 } });
  const [video] = media.getVideoTracks();
  const [audio] = media.getAudioTracks();
  pc.addTransceiver(audio, { direction: 'sendonly' });
  const encodings = [{ rid: 'q', scaleResolutionDownBy: 4 }, { rid: 'h', scaleResolutionDownBy: 2 }, { rid: 'f' }];
  pc.addTransceiver(video, { direction: 'sendonly', ...(simulcast ? { sendEncodings: encodings } : {}) });
  const waiting = [];
  let location;
  let etag;
  const patch = async (body, match) => fetch(location, {
    method: 'PATCH', body, headers: { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': match, ...authorization },
  });
  const part = (sdp, name) => sdp.match(new RegExp(`a=${name}:(\\S+)`))[1];
  const send = async (candidate) => {
    const { sdp } = pc.localDescription;
    await patch(`a=ice-ufrag:${part(sdp, 'ice-ufrag')}\r\na=ice-pwd:${part(sdp, 'ice-pwd')}\r\n` +
      `m=audio 9 RTP/AVP 0\r\na=mid:${candidate.sdpMid}\r\na=${candidate.candidate}\r\n`, etag);
  };
  pc.onicecandidate = ({ candidate }) => {
    if (!trickle || !candidate?.candidate) return;
    if (location) send(candidate);
    else waiting.push(candidate);
  };
  const gathered = () => new Promise((done) => {
    if (pc.iceGatheringState === 'complete') done();
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done();
  });
  await pc.setLocalDescription(await pc.createOffer());
  if (!trickle) await gathered();
  const response = await fetch(base + path, {
    method: 'POST', body: pc.localDescription.sdp, headers: { 'content-type': 'application/sdp', ...authorization },
  });
  const text = await response.text();
  const told = { status: response.status, text, links: response.headers.get('link'), location: response.headers.get('location') };
  if (response.status !== 201) return told;
  location = new URL(told.location, base + path).href;
  etag = response.headers.get('etag');
  await pc.setRemoteDescription({ type: 'answer', sdp: text });
  waiting.forEach(send);
  window.whip = {
    pc,
    remove: async () => (await fetch(location, { method: 'DELETE', headers: authorization })).status,
    restart: async () => {
      const old = pc.remoteDescription.sdp;
      await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
      await gathered();
      const { sdp } = pc.localDescription;
      const candidates = sdp.split('\r\n').filter((line) => line.startsWith('a=candidate:')).join('\r\n');
      const answered = await patch(`a=ice-ufrag:${part(sdp, 'ice-ufrag')}\r\na=ice-pwd:${part(sdp, 'ice-pwd')}\r\na=mid:0\r\n${candidates}\r\n`, '*');
      const fragment = await answered.text();
      if (answered.status !== 200) return `${answered.status} ${fragment}`;
      etag = answered.headers.get('etag');
      const fresh = old.replaceAll(part(old, 'ice-ufrag'), part(fragment, 'ice-ufrag')).replaceAll(part(old, 'ice-pwd'), part(fragment, 'ice-pwd'));
      await pc.setRemoteDescription({ type: 'answer', sdp: fresh });
      return answered.status;
    },
  };
  return told;
}
