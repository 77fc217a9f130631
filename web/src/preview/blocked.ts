// blockedHelp says where the browser keeps the permission, for a reader who has
// no idea: by the name that the browser gives itself.
export function blockedHelp(userAgent: string): string {
  if (/firefox/i.test(userAgent)) return 'Click the crossed-out camera or microphone left of the address, take away the block, and try again.';
  if (/iphone|ipad/i.test(userAgent)) return 'Tap “aA” left of the address, then Website Settings, and allow camera and microphone.';
  if (/safari/i.test(userAgent) && !/chrom/i.test(userAgent)) return 'In the menu Safari choose Settings for This Website, and allow camera and microphone.';
  if (/android/i.test(userAgent)) return 'Tap the icon left of the address, then Permissions, and allow camera and microphone.';
  return 'Click the icon left of the address, and allow camera and microphone for this page.';
}
