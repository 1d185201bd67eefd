# Keeps one PostgreSQL server: `keeper.sh FOLDER COMMAND...`. Each line on stdin starts it (again) and is answered with its
# pid. At the end of stdin, which comes with the end of whoever holds the pipe, however it ends, server and folder go.
# Signals of the terminal are for the test run; it must not lose its server before it has cleaned up.
trap '' INT TERM HUP
folder=$1
shift
pid=
while read -r line; do
  if [ -n "$pid" ]; then wait "$pid"; fi
  "$@" >>"$folder/server.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid"
done
if [ -n "$pid" ]; then
  kill -"${KEEPER_SIGNAL:-QUIT}" "$pid" 2>/dev/null
  wait "$pid"
fi
rm -rf "$folder"
