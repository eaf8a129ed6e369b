"""``python -m mmseg_uda COMMAND``: the console command, where the scripts of an environment are not on the path."""

from mmseg_uda_command import main

if __name__ == '__main__':
    main()
