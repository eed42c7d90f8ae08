use super::*;
pub(super) const FORMAT: Format = Format{name:"dicom",extensions:&[],about:"",recognise:|_|false,folders:false,read:|_|unimplemented!(),read_image:None,read_recording:None,write_image:None,write_recording:None};
