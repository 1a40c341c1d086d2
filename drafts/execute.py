import sys, time, nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

path, out = sys.argv[1:3]
nb = nbformat.read(path, as_version=4)
client = NotebookClient(
    nb, timeout=300, kernel_name="python3", resources={"metadata": {"path": "/work/next/notebooks"}}
)
with client.setup_kernel():
    for i, cell in enumerate(nb.cells):
        if cell.cell_type != "code":
            continue
        t = time.time()
        try:
            client.execute_cell(cell, i)
        except CellExecutionError as e:
            print("ERROR in", cell.id, str(e)[-1500:])
        print(f"[{cell.id} {time.time() - t:.1f}s]", end=" ")
        for o in cell.outputs:
            if o.output_type == "stream":
                print(o.text.rstrip()[:700])
            elif "data" in o and "text/plain" in o.data:
                print("   =>", o.data["text/plain"][:200])
        print(flush=True)
nbformat.write(nb, out)
