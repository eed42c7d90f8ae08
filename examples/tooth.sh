#!/usr/bin/env bash
# A tooth at a synchrotron, from raw counts to slices. Data: TomoPy's tooth.h5 (BSD-3), in the folder $RUSHLIGHT_DATA.
set -euo pipefail
data=${RUSHLIGHT_DATA:-../shared/data}/ct-sinogram/tooth.h5
rushlight show "$data"
# Flat and dark fields, repair, rings, the axis (near column 296 of 640), FBP: nothing needs to be said but the axis.
rushlight recon "$data" --center auto -o tooth.tif
# One slice as a picture; values are per cell, since the file gives no cell size.
rushlight recon "$data" --center auto --rows 0..1 --filter hann -o tooth.png --window 0.004,0.014
# The same from every sixth view, for comparison.
rushlight recon "$data" --center 295.9 --rows 0..1 --every 6 --filter hann -o tooth-31-views.png --window 0.004,0.014
# And by total variation, strength and iterations by themselves: held against FBP from all views, inside the tooth, FBP from
# these 31 has 17.5 dB of the tooth's range and this 25.0 dB (docs/results/few-views.md says how). The faintest cracks are lost.
rushlight recon "$data" --center 295.9 --rows 0..1 --every 6 --method tv -o tooth-31-views-tv.png --window 0.004,0.014
