#!/bin/sh
# GNU parallel: a worker on each machine of the file `nodes`, in a folder that they share, with
# prompts.txt in it. `:` is this machine, any other line a host that ssh reaches. The key is on each
# of them; a Redis is where ZIMAGE_PACE_URL says. `ps` shows what --env takes to another host: where
# there is a password in it, write it into a file pace_url (chmod 600) in the folder, and take
# ZIMAGE_PACE_URL='"$(cat pace_url)"' beside ZIMAGE_HOME instead.
n=$(grep -c . nodes)
# Ctrl-C sends nothing new, and waits for what is in flight.
# shellcheck disable=SC2016 # the machine that makes the pictures knows its folder
seq "$n" | parallel --sshloginfile nodes --jobs 1 --workdir . --env ZIMAGE_PACE_URL \
    --joblog parallel.log --retries 3 --line-buffer --tagstring 'shard{}' \
    --termseq INT,360000,KILL,25 \
    ZIMAGE_HOME='"$PWD"/home{}' zimage batch prompts.txt --shard "{}/$n" --output 'shard{}' --yes
