# SegFormer-B5: MiT-B5 and the all-MLP head.
_base_ = ['./daformer_sepaspp_mitb5.py']
model = dict(
    decode_head=dict(
        type='SegFormerHead', channels=128, decoder_params=dict(_delete_=True, embed_dims=768, conv_kernel_size=1)
    )
)
