# What the co-training stage of every DSTC recipe changes: where it starts, and who is scored besides the target branch.
# '{source}/best_mIoU_*.pth' with evaluation.save_best='mIoU' starts from the best on validation labels, as in the released code.
co_training = dict(
    uda=dict(init=dict(source='{source}/latest.pth', target='{target}/latest.pth')),
    evaluation=dict(test_with=['source_branch', 'ensemble']),
)
