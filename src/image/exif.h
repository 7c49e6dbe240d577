// The orientation of a picture: EXIF tag 0x0112 (TIFF 6.0 layout), or tiff:Orientation of an XMP packet if there is no
// EXIF. 1..8; 1 if nothing usable is there. Damaged metadata is never an error: the picture is still good.
#pragma once

#include "image/bytes.h"

namespace galago {

int jpeg_orientation(Bytes file);  // APP1 segments
int png_orientation(Bytes file);   // eXIf chunk; XMP in an uncompressed iTXt chunk
int webp_orientation(Bytes file);  // "EXIF" and "XMP " chunks

// The payload of the first RIFF chunk with this four-letter name in a WebP file; empty if there is none.
Bytes find_webp_chunk(Bytes file, std::string_view name);

}  // namespace galago
