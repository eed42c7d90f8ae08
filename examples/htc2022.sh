#!/usr/bin/env bash
# A plastic disk in a micro-CT, fan beam, measured over 90 degrees only. Data: Helsinki Tomography Challenge 2022
# (CC BY 4.0), as htc2022_tb_subsample_90.mat in the folder $RUSHLIGHT_DATA.
set -euo pipefail
data=${RUSHLIGHT_DATA:-../shared/data}/ct-sinogram/htc2022_tb_subsample_90.mat
cat > htc2022.toml <<'TOML'
geometry = "fan"
angles_deg = "0..=90"
cell_mm = 0.2
source_origin_mm = 410.66
source_detector_mm = 553.74
TOML
rushlight show "$data:/CtDataLimited/sinogram" --geometry htc2022.toml
# The disk is 70 mm wide. Its edge is sharp where rays touched it; where none did, limited-angle streaks remain.
rushlight recon "$data:/CtDataLimited/sinogram" --geometry htc2022.toml --size 512 --voxel 0.1483mm -o htc2022.png
# Total variation fills in much of what the missing 90 degrees would have shown.
rushlight recon "$data:/CtDataLimited/sinogram" --geometry htc2022.toml --size 512 --voxel 0.1483mm --method tv -o htc2022-tv.png
